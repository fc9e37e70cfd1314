"""All tables of all rooms: the one module of the store that knows the other rooms.

Foreign keys cross rooms, so a program that opens the store must know every table, also of rooms that it
never uses. A new `tables.py` is added here; a test finds one that was forgotten.
"""

from sqlalchemy import MetaData

from billing.customers import tables as customers
from billing.dunning import tables as dunning
from billing.invoicing import tables as invoicing
from billing.payments import tables as payments
from billing.services import tables as services
from billing.store import tables as store
from billing.store.schema import Base
from billing.voip import tables as voip

ROOMS = (customers, services, invoicing, payments, dunning, voip, store)
METADATA: MetaData = Base.metadata
