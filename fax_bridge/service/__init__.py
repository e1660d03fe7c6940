"""What joins the daemon to systemd: readiness and watchdog, sockets handed over, the journal, reload."""
