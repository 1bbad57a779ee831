select 'pg_graphql is installed: signed-in users see the names of our tables and columns in its schema, but no rows of others'
from pg_catalog.pg_extension as e
where e.extname = 'pg_graphql'
