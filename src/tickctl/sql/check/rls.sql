select t.name from our_table as t where not t.relrowsecurity
