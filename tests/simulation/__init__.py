"""A whole ISP in one process for a year, with everything going wrong that a seed thinks of, checked after every step.

    make simulation SEED=7                  one year of one seed, and what happened in it
    make simulation-long                    many seeds

`world.World(seed)` runs it: billing, dunning, brake, planner, reconciler and mailer are the real ones, unmodified, on
a real SQLite database. What is outside of Hradlo is played, by one module each: `routers`, `bank`, `post`, `people`
(subscribers and the admin), the clock, and `fate`, which kills the process between any two awaits. `auditor` knows the
rules and what really happened, and shares no code with what it judges.
"""
