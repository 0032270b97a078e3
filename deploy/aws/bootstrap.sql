-- Users and rights in Redshift. An administrator (a superuser) runs it once, before the first load:
--
--   psql --set=ON_ERROR_STOP=1 --host=ENDPOINT --port=5439 --username=ADMIN --dbname=dev \
--     --file=deploy/aws/bootstrap.sql
--
-- In the query editor: run part 1 in any database, then choose the database `charging` and run
-- part 2. An IAM role that signs in is the database user "IAMR:<name of the role>". A user that is
-- not created here is created at its first sign-in, without any rights.
--
-- Replace the account in the ARN of the role for COPY with yours.


-- Part 1, in any database.

CREATE DATABASE charging;

-- Runs: they own the schemas and tables, which the first load creates.
CREATE USER "IAMR:charging-assets-run" PASSWORD DISABLE;
-- Web server, daemon and sensors: read loaded data.
CREATE USER "IAMR:charging-assets-services" PASSWORD DISABLE;
-- Analysts and dashboards, with the policy aws/reader.json.
CREATE USER "IAMR:charging-assets-reader" PASSWORD DISABLE;

-- CHARGING_REDSHIFT_READER_GROUP is the name of this group; each load grants it read rights.
-- More readers: ALTER GROUP charging_readers ADD USER "IAMR:another-role";
CREATE GROUP charging_readers WITH USER
    "IAMR:charging-assets-services", "IAMR:charging-assets-reader";

-- The role for COPY and UNLOAD: by default every user may use every role of the namespace. The
-- REVOKE applies to all databases of the namespace: other users of a role need a grant like this.
REVOKE ASSUMEROLE ON ALL FROM PUBLIC FOR ALL;
GRANT ASSUMEROLE ON 'arn:aws:iam::111122223333:role/charging-assets-redshift-copy'
    TO "IAMR:charging-assets-run" FOR COPY;
GRANT ASSUMEROLE ON 'arn:aws:iam::111122223333:role/charging-assets-redshift-copy'
    TO "IAMR:charging-assets-run" FOR UNLOAD;

-- CREATE: the schemas warehouse, mart, original and ops. TEMP: the tables that COPY fills.
GRANT CREATE, TEMP ON DATABASE charging TO "IAMR:charging-assets-run";


-- Part 2, in the database `charging`.

\connect charging

-- Otherwise every user may create tables there.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- `status` and `doctor` in the services' task also count staged rows; readers do not need them.
CREATE SCHEMA staging AUTHORIZATION "IAMR:charging-assets-run";
GRANT USAGE ON SCHEMA staging TO "IAMR:charging-assets-services";
ALTER DEFAULT PRIVILEGES FOR USER "IAMR:charging-assets-run" IN SCHEMA staging
    GRANT SELECT ON TABLES TO "IAMR:charging-assets-services";
