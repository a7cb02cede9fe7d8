"""Alembic runs this: on the connection that `upgrading.upgrade` hands over, in its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
# Not `begin_transaction`: whoever called has one, which keeps all steps or none.
context.run_migrations()
