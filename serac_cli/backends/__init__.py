"""Base models: f_base behind the BaseModel protocol."""
