import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('offbeat_metrics', '0001_initial'),
    ]

    # The trigger of the release before names its columns, so what it writes gets the default.
    operations = [
        migrations.AddField(
            model_name='jobend',
            name='at',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.CreateModel(
            name='TaskHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hour', models.DateTimeField()),
                ('task', models.CharField(max_length=255)),
                ('succeeded', models.PositiveBigIntegerField()),
                ('dead', models.PositiveBigIntegerField()),
                ('expired', models.PositiveBigIntegerField()),
                ('cancelled', models.PositiveBigIntegerField()),
                ('failed_attempts', models.PositiveBigIntegerField()),
                ('wait', models.JSONField()),
                ('run', models.JSONField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('hour', 'task'), name='offbeat_metrics_one_hour')],
            },
        ),
    ]
