"""How dates and times are written where Django writes them: short, by 24 hours, with the year."""
