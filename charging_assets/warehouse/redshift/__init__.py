"""The production warehouse: Amazon Redshift, Serverless or provisioned."""
