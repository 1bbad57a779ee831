-- Whose rights it has, whether it may write, and what it sets meanwhile; search_path has an assertion of its own.
select f.name || ' ' || case
    when f.prosecdef <> e.definer then case when e.definer then 'has lost' else 'has' end || ' its owner''s rights'
    when f.provolatile::text <> e.volatility then 'has another volatility'
    when f.proisstrict then 'is skipped where an argument is null'
    else 'has other settings'
end
from our_function as f
join expected_function as e on e.schema = f.schema and e.name = f.proname
where f.prosecdef <> e.definer
    or f.provolatile::text <> e.volatility
    or f.proisstrict
    or e.settings <> array(
        select pg_catalog.split_part(setting, '=', 1) from pg_catalog.unnest(f.proconfig) as setting
        where setting not like 'search\_path=%'
        order by 1
    )
order by 1
