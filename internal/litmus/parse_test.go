package litmus
