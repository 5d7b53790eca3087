
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='context',
            field=models.JSONField(db_default=models.Value({}, models.JSONField())),
        ),
    ]
