"""${message}

An old program must work before, during and after this: add, fill, and remove in a later version.
"""

import sqlalchemy as sa
from alembic import op

from billing.store import schema

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
