"""Words and names, made safe and readable for where they are used."""
