return need("assert").strict;
