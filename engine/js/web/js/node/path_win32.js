return need("path").win32;
