import uuid

from django.db import transaction

exclusive_transaction = transaction.atomic


def normalize_uuid(value):
    return str(uuid.UUID(str(value)))
