"""`./run psql`: PostgreSQL's own prompt, out of the same wheel as the server."""

from __future__ import annotations

import os
import sys

from psycopg.conninfo import conninfo_to_dict

from offbeat.dev.embedded_postgres import executables
from offbeat.env import env

# Not on the command line, which every user of the machine can read.
VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
}


def main() -> None:
    psql = executables() / "psql"
    found = conninfo_to_dict(env.text("DATABASE_URL", ""))
    address = {VARIABLES[name]: str(value) for name, value in found.items() if name in VARIABLES}
    os.execve(psql, [str(psql), *sys.argv[1:]], os.environ | address)  # noqa: S606


if __name__ == "__main__":
    main()
