"""How anything is written and read, and by whom: files, tables, arrays, locks, and what identifies a thing."""
