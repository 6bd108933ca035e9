return need("util");
