import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0002_job_context'),
    ]

    operations = [
        migrations.AlterField(
            model_name='batch',
            name='failure_job',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='jobs.job'),
        ),
        migrations.AlterField(
            model_name='batch',
            name='success_job',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='jobs.job'),
        ),
        migrations.RemoveField(
            model_name='broker',
            name='checked_at',
        ),
    ]
