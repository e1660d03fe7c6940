"""The bridge beside a real Postfix, which hands it the faxes and takes its reports."""
