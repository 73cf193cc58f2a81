module roll-dice

go 1.24
