"""What the operator sees from outside: metrics, health, and alerts by mail."""
