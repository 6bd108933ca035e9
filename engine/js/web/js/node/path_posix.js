return need("path").posix;
