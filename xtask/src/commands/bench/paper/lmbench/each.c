/* Runs command lines one after the other, and says what each has printed and how it has ended.
 *
 *     each SECONDS FILE
 *
 * Every line of FILE is a command, in words separated by blanks; the first is the program's path. Of the command in line n (from 0) this is printed:
 *
 *     begin n
 *     | what it has printed, each line behind a bar
 *     end n exit 0            or: signal 9, time
 *
 * A command is a process group of its own, so that nothing of it is left when the next one begins: not when it takes too long, and not when it ends before its children.
 * What it prints is kept in a file, of a size that is limited: a terminal at work would disturb what is measured. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 32, LINES_SHOWN = 20 };
/* Most that a command may write into one file. lmbench's own files are 8 MiB. */
static const rlim_t FILE_MAX = 16 << 20;
static const char OUTPUT[] = "/tmp/each.output";

static volatile sig_atomic_t group, late;

static void on_alarm(int signal)
{
	(void)signal;
	late = 1;
	kill(-group, SIGKILL);
}

static void become(char *line)
{
	char *words[WORDS + 1] = { NULL };
	int count = 0;
	for (char *word = strtok(line, " "); word && count < WORDS; word = strtok(NULL, " "))
		words[count++] = word;
	int out = open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC, 0600), in = open("/dev/null", O_RDONLY);
	struct rlimit limit = { FILE_MAX, FILE_MAX };
	if (count == 0 || out < 0 || in < 0 || setrlimit(RLIMIT_FSIZE, &limit))
		_exit(126);
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	close(in);
	close(out);
	execv(words[0], words);
	fprintf(stderr, "%s: %s\n", words[0], strerror(errno));
	_exit(127);
}

/* Prints the beginning of what the command has printed. */
static void show_output(void)
{
	char line[200];
	FILE *file = fopen(OUTPUT, "r");
	for (int i = 0; file && i < LINES_SHOWN && fgets(line, sizeof line, file); i++)
		printf("| %.*s\n", (int)strcspn(line, "\r\n"), line);
	if (file)
		fclose(file);
	unlink(OUTPUT);
}

static void run(int number, char *line, unsigned seconds)
{
	int status = 0;
	printf("begin %d\n", number);
	fflush(stdout);
	late = 0;
	pid_t child = fork();
	if (child == 0) {
		setpgid(0, 0);
		become(line);
	}
	if (child < 0) {
		printf("| fork: %s\nend %d exit 126\n", strerror(errno), number);
		return;
	}
	/* Whoever is first: the child must be a group before it is killed as one. */
	setpgid(child, child);
	group = child;
	alarm(seconds);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	alarm(0);
	kill(-child, SIGKILL);
	show_output();
	if (late)
		printf("end %d time\n", number);
	else if (WIFSIGNALED(status))
		printf("end %d signal %d\n", number, WTERMSIG(status));
	else
		printf("end %d exit %d\n", number, WEXITSTATUS(status));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[1000];
	FILE *list = argc == 3 ? fopen(argv[2], "r") : NULL;
	if (!list) {
		fprintf(stderr, "each: SECONDS and a FILE with commands\n");
		return 2;
	}
	signal(SIGALRM, on_alarm);
	for (int number = 0; fgets(line, sizeof line, list); number++) {
		line[strcspn(line, "\n")] = 0;
		run(number, line, (unsigned)atoi(argv[1]));
	}
	return 0;
}
