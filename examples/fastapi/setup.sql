-- Once, as the owner of the project's database: a role for this program, with a table of its own and the right to enqueue.
CREATE ROLE shop LOGIN PASSWORD 'shop';
GRANT EXECUTE ON FUNCTION offbeat_enqueue, offbeat_job TO shop;
CREATE SCHEMA shop AUTHORIZATION shop;
SET ROLE shop;
CREATE TABLE shop.orders (number integer PRIMARY KEY, text text NOT NULL, job uuid NOT NULL);
