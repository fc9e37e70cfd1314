"""The `[brake]` table of the settings: how much may happen before a person must look."""

from pydantic import Field

from config.section import Section


class Brake(Section):
    """What stops a mistake from cutting off many: over a limit nothing of that kind happens until a person releases it.

    Counted are new decisions in the last 24 hours; giving a line back is never braked. See docs/brake.md.
    """

    suspensions_per_day: int = Field(10, ge=0, description="So many suspensions in 24 hours …")
    suspensions_percent: int = Field(2, ge=0, le=100, description="… or such a share of the open lines, if more.")
    notices_per_day: int = Field(50, ge=0, description="So many notices in 24 hours …")
    notices_percent: int = Field(10, ge=0, le=100, description="… or such a share of the open lines, if more.")
    statement_age_days: int = Field(
        3,
        ge=0,
        le=30,
        description="Nobody is restricted when the bank's last statement is older, in working days of `isp.country`; "
        "0 = payments come another way.",
    )
    thin_percent: int = Field(
        30, ge=0, le=99, description="… or when a day has fewer payments than such a share of what that weekday has."
    )
    parked: int = Field(5, ge=0, description="… or when more contracts than so many are parked for absurd facts …")
    parked_percent: int = Field(1, ge=0, le=100, description="… and than such a share of all.")
