"""What every table of the settings file is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the file: unknown keys are errors, values don't change after start."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
