"""What PostgreSQL reads for an answer."""

import json

from django.db import connection


def rows_read(act, table="offbeat_jobs_job"):
    """How many rows of a table PostgreSQL looks at, by its own account of each query's plan."""
    explainer = Explainer(table)
    with connection.execute_wrapper(explainer):
        act()
    return explainer.rows


class Explainer:
    """Runs each query a second time under EXPLAIN ANALYZE, and adds up the rows of its scans."""

    def __init__(self, table):
        self.table, self.rows = table, 0

    def __call__(self, execute, sql, params, many, context):
        if self.table in sql and not sql.startswith("EXPLAIN"):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                (plan,) = cursor.fetchone()
            plan = plan if isinstance(plan, list) else json.loads(plan)
            self.add(plan[0]["Plan"])
        return execute(sql, params, many, context)

    def add(self, node):
        if node.get("Relation Name") == self.table or node["Node Type"] == "Bitmap Index Scan":
            loops = node["Actual Loops"]
            self.rows += loops * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for child in node.get("Plans", []):
            self.add(child)
