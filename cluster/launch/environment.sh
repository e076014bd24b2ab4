# What every node of a cluster exports before `ray start`. Sourced, not run.
export RAY_AUTH_MODE=token                       # never unset: nodes would disagree about it
export RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1      # who asked for no GPU sees none
export RAY_USAGE_STATS_ENABLED=0
export RAY_JOB_STOP_WAIT_TIME_S=30               # a sweep that is stopped may finish writing
# A node that was cut off is noticed within 10 s, not 60 s.
export RAY_health_check_initial_delay_ms=2000
export RAY_health_check_period_ms=1000
export RAY_health_check_timeout_ms=2000
export RAY_health_check_failure_threshold=3
