"""What a test finds in the tables, whichever tests have run before it."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("time", ["the first", "the second"])
def test_groups_and_permissions_outlast_real_transactions(time):
    """A test with a real transaction leaves all tables empty; the next one finds what the migrations have made."""
    assert set(Group.objects.values_list("name", flat=True)) == {"viewers", "operators"}, time
    assert Permission.objects.filter(group__name="operators", codename="change_job").exists()


@pytest.mark.parametrize("time", ["the first", "the second"])
def test_what_a_test_removes_of_them_comes_back(time):
    """Rows that the migrations have made are left alone after a test, unless it has changed them."""
    assert Group.objects.filter(name="viewers").delete(), time
    Permission.objects.filter(codename="change_job").update(name="May do anything")


@pytest.mark.parametrize("time", ["the first", "the second"])
def test_rows_of_a_test_are_gone(time):
    """Whatever refers to what."""
    assert not get_user_model().objects.exists(), time
    assert not LogEntry.objects.exists()
    user = get_user_model().objects.create_user("alice")
    user.groups.add(Group.objects.get(name="viewers"))
    LogEntry.objects.create(user=user, action_flag=ADDITION, object_repr="it")
