select t.name || ' is emptied by a crash' from our_table as t where t.relpersistence <> 'p' order by 1
