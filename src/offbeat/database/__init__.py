"""What the parts know of PostgreSQL: who holds a lock, how long a statement may take, and what stands before it."""
