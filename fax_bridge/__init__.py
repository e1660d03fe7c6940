"""fax-bridge joins e-mail and fax through FaxMAX: SMTP in, faxes out; pushes in, mails out."""

__version__ = "0.1.0"
