"""What is durable: messages, faxes, pushes, received faxes and the outbox, on SQLAlchemy Core."""
