"""What PostgreSQL reads for an answer."""

import json

from django.db import connection


def rows_read(act):
    """How many rows of the table PostgreSQL looks at, by its own account of each query's plan."""
    explainer = Explainer()
    with connection.execute_wrapper(explainer):
        act()
    return explainer.rows


class Explainer:
    """Runs each query a second time under EXPLAIN ANALYZE, and adds up the rows of its scans."""

    def __init__(self):
        self.rows = 0

    def __call__(self, execute, sql, params, many, context):
        if "offbeat_jobs_job" in sql and not sql.startswith("EXPLAIN"):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                (plan,) = cursor.fetchone()
            plan = plan if isinstance(plan, list) else json.loads(plan)
            self.add(plan[0]["Plan"])
        return execute(sql, params, many, context)

    def add(self, node):
        if node.get("Relation Name") == "offbeat_jobs_job" or node["Node Type"] == "Bitmap Index Scan":
            loops = node["Actual Loops"]
            self.rows += loops * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for child in node.get("Plans", []):
            self.add(child)
