#ifndef RAND_TEXT_H
#define RAND_TEXT_H

#include <stddef.h>

#include "err.h"

/* n random letters and digits, each as likely as any other, and a NUL: a secret.  ERR_IO
 * (logged) if the system has none. */
enum err rand_text(char *out, size_t n) __attribute__((warn_unused_result));

#endif /* !RAND_TEXT_H */
