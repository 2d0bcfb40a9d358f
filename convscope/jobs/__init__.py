"""How one step of the workflow runs: its start, its arguments, its progress, its end, and the code that it hangs on."""
