import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('who', models.CharField(max_length=150)),
                ('act', models.CharField(max_length=40)),
                ('subject', models.CharField(max_length=255)),
                ('link', models.CharField(max_length=255)),
                ('result', models.CharField(max_length=255)),
            ],
            options={
                'verbose_name_plural': 'audit entries',
                'indexes': [models.Index(fields=['subject', '-id'], name='offbeat_ops_audit_subject_idx')],
            },
        ),
    ]
