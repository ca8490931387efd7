#ifndef SCHEMA_H
#define SCHEMA_H

#include "db.h"

/* The tables of the state store, made from schema.sql. */
extern const struct db_schema model_schema;

#endif /* !SCHEMA_H */
