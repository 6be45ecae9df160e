"""How a company divides its people and its business: teams and regions, seen and renamed as a whole."""
