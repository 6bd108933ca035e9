return need("stream").promises;
