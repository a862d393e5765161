-- Which one a workspace is, of all that had its id: another number once it is put back or made anew. What was checked
-- against one writes nothing into another, whichever process did the exchange.
ALTER TABLE workspaces ADD COLUMN incarnation INTEGER NOT NULL DEFAULT 0;
