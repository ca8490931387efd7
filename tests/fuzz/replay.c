/*
 * The files named on the command line, one after the other, through a fuzz
 * target that was built without a fuzzer: what once crashed must not crash
 * again.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay(const char *path)
{
	uint8_t *data = NULL;
	size_t size = 0, n;
	FILE *f;

	f = fopen(path, "rb");
	if (f == NULL) {
		perror(path);
		return -1;
	}
	do {
		data = realloc(data, size + 4096);
		if (data == NULL)
			abort();
		n = fread(data + size, 1, 4096, f);
		size += n;
	} while (n > 0);
	(void)fclose(f);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int
main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (replay(argv[i]) != 0)
			return EXIT_FAILURE;
	(void)printf("%d inputs replayed\n", argc - 1);
	return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
