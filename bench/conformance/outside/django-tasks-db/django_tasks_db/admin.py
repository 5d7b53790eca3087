class DBTaskResultAdmin:
    """Of their own table's page, which is not what is compared."""
