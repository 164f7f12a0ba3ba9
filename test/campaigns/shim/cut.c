/*
 * Cuts the power of a file system: `cut <mount point> <flags>`. Nothing that has not got to the disk by then ever does.
 * Says when it began, in nanoseconds of the monotonic clock: what is synced while it is at it may be lost although the
 * system says that it is not. Of a real cut nobody would live to hear that.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>

#define EXT4_SHUTDOWN _IOR('X', 125, uint32_t)

int main(int count, char **words) {
  if (count != 3) return 2;
  uint32_t flags = (uint32_t)atoi(words[2]);
  int descriptor = open(words[1], O_RDONLY);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  printf("%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
  if (descriptor < 0 || ioctl(descriptor, EXT4_SHUTDOWN, &flags) != 0) {
    perror("cut");
    return 1;
  }
  return 0;
}
