"""What a test finds in the tables, whichever tests have run before it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("time", ["the first", "the second"])
def test_groups_and_permissions_outlast_real_transactions(time):
    """A test with a real transaction leaves all tables empty; the next one finds what the migrations have made."""
    assert set(Group.objects.values_list("name", flat=True)) == {"viewers", "operators"}, time
    assert Permission.objects.filter(group__name="operators", codename="change_job").exists()
