/* Both ends of a connection by virtio-vsock: what a program of the guest does, and what one of the host does.
 *
 *   vsock connect PORT      in the guest: connects to the host, prints what it says
 *   vsock listen PORT       in the guest: is connected to, prints what is said
 *   vsock serve PATH        on the host: is connected to, says something
 *   vsock knock PATH PORT   on the host: connects to the guest, says something
 */
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char words[] = "from the lab\n";

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static int print(int fd)
{
    char buffer[4096];
    ssize_t count;
    while ((count = read(fd, buffer, sizeof buffer)) > 0)
        if (write(STDOUT_FILENO, buffer, count) != count)
            return fail("write");
    return count < 0 ? fail("read") : 0;
}

static int say(int fd)
{
    char end;
    if (write(fd, words, sizeof words - 1) != sizeof words - 1 || shutdown(fd, SHUT_WR))
        return fail("write");
    /* The other side has read it when it ends, too. */
    return read(fd, &end, 1) == 0 ? 0 : fail("read");
}

static int in_guest(int listens, unsigned port)
{
    struct sockaddr_vm address = {
        .svm_family = AF_VSOCK,
        .svm_cid = listens ? VMADDR_CID_ANY : VMADDR_CID_HOST,
        .svm_port = port,
    };
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (fd < 0)
        return fail("socket");
    if (!listens)
        return connect(fd, (void *)&address, sizeof address) ? fail("connect") : print(fd);
    if (bind(fd, (void *)&address, sizeof address) || listen(fd, 1))
        return fail("listen");
    int connection = accept(fd, NULL, NULL);
    return connection < 0 ? fail("accept") : print(connection);
}

static int on_host(const char *path, const char *port)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return fail("socket");
    if (!port) {
        if (bind(fd, (void *)&address, sizeof address) || listen(fd, 1))
            return fail("listen");
        int connection = accept(fd, NULL, NULL);
        return connection < 0 ? fail("accept") : say(connection);
    }
    char answer[3] = "";
    if (connect(fd, (void *)&address, sizeof address))
        return fail("connect");
    if (dprintf(fd, "CONNECT %s\n", port) < 0 || read(fd, answer, 3) != 3 || memcmp(answer, "OK ", 3))
        return fail("CONNECT");
    do
        if (read(fd, answer, 1) != 1)
            return fail("read");
    while (answer[0] != '\n');
    return say(fd);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "connect"))
        return in_guest(0, atoi(argv[2]));
    if (argc == 3 && !strcmp(argv[1], "listen"))
        return in_guest(1, atoi(argv[2]));
    if (argc == 3 && !strcmp(argv[1], "serve"))
        return on_host(argv[2], NULL);
    if (argc == 4 && !strcmp(argv[1], "knock"))
        return on_host(argv[2], argv[3]);
    fprintf(stderr, "vsock: connect PORT | listen PORT | serve PATH | knock PATH PORT\n");
    return 2;
}
