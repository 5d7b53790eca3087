"""Two groups to start with, made once: what a team changes of them, or deletes, is never made again."""

from django.db import migrations

VIEW = {
    "offbeat_jobs": ("job", "batch", "worker"),
    "offbeat_cronjobs": ("cronjob", "slot"),
    "offbeat_alerts": ("incident",),
    "offbeat_ops": ("auditentry",),
}
CHANGE = {"offbeat_jobs": ("job",), "offbeat_cronjobs": ("cronjob",)}
def make_groups(apps, schema_editor):
    seen = [find_permission(apps, schema_editor, app, model, "view") for app, model in pairs(VIEW)]
    changed = [find_permission(apps, schema_editor, app, model, "change") for app, model in pairs(CHANGE)]
    make_group(apps, schema_editor, "viewers", seen)
    make_group(apps, schema_editor, "operators", [*seen, *changed])


def pairs(models):
    return [(app, model) for app, names in models.items() for model in names]


def find_permission(apps, schema_editor, app, model, verb):
    """Make a permission as Django makes it after all migrations, which is too late for this one."""
    database = schema_editor.connection.alias
    types = apps.get_model("contenttypes", "ContentType").objects.using(database)
    content_type, _ = types.get_or_create(app_label=app, model=model)
    permission, _ = (
        apps.get_model("auth", "Permission")
        .objects.using(database)
        .get_or_create(
            content_type_id=content_type.pk,
            codename=f"{verb}_{model}",
            defaults={"name": f"Can {verb} {'audit entry' if model == 'auditentry' else model}"},
        )
    )
    return permission


def make_group(apps, schema_editor, name, permissions):
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    group, is_new = groups.get_or_create(name=name)
    if is_new:  # else the team's own, of the same name
        group.permissions.set(permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("offbeat_ops", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
