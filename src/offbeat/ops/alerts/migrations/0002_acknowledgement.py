from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('offbeat_alerts', '0001_initial'),
    ]

    # With defaults of the database: processes of the release before go on writing incidents meanwhile.
    operations = [
        migrations.AddField(
            model_name='incident',
            name='acknowledged_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='incident',
            name='acknowledged_by',
            field=models.CharField(db_default='', max_length=150),
        ),
        migrations.AddField(
            model_name='incident',
            name='note',
            field=models.CharField(db_default='', max_length=200),
        ),
    ]
