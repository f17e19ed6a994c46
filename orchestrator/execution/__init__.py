"""Steps on Ray: Tune schedules trainings, Train runs them, tasks do the rest."""
