#ifndef PROVISION_H
#define PROVISION_H

#include "shape.h"

/* provision_data: null, or an object that fits one of thirteen shapes exactly. */
shape_reader provision_read;

/* {"agent": file on the agent, "device": file on the device}, as a list has
 * them; and the same where unknown fields are kept. */
extern const struct shape_field provision_attachment;
extern const struct shape_field provision_attachment_open;

#endif /* !PROVISION_H */
