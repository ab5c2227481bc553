# Three servers behind haproxy, on PostgreSQL that Patroni and etcd keep available with a synchronous standby, for
# tests/cluster to source. Every step is taken while clients sign up and read through haproxy.

# member NAME POSTGRES_PORT REST_PORT: one of the two that Patroni looks after.
member() {
    local name=$1 port=$2 rest=$3 home=$work/patroni/$1
    mkdir -p "$home"
    cat >"$home.yml" <<YAML
scope: market
name: $name
restapi: {listen: "127.0.0.1:$rest", connect_address: "127.0.0.1:$rest"}
etcd3: {hosts: "127.0.0.1:$etcd_port"}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    synchronous_mode: true
    postgresql: {use_pg_rewind: true, parameters: {wal_log_hints: "on", max_connections: 200}}
  initdb: [{encoding: UTF8}, {locale: C}, data-checksums]
  pg_hba: ["host all all 127.0.0.1/32 scram-sha-256", "host replication all 127.0.0.1/32 scram-sha-256"]
postgresql:
  listen: 127.0.0.1:$port
  connect_address: 127.0.0.1:$port
  data_dir: $home/data
  bin_dir: $postgres_bin_dir
  pgpass: $home/pgpass
  parameters: {unix_socket_directories: $home}
  authentication:
    superuser: {username: postgres, password: $password}
    replication: {username: replicator, password: $password}
    rewind: {username: rewinder, password: $password}
YAML
    [[ $EUID == 0 ]] && chown -R "$postgres_user" "$work/patroni"
    local as=(env -C /)
    [[ $EUID == 0 ]] && as+=(setpriv --reuid="$postgres_user" --regid="$(id -g "$postgres_user")" --clear-groups --)
    start "patroni-$name" "${as[@]}" patroni "$home.yml"
    member_pids[$name]=$started
}
# stop_members: after Patroni was ended, which would start them again.
stop_members() {
    local data
    for data in "$work"/patroni/*/data; do
        [[ -e $data/postmaster.pid ]] && (cd / && as_postgres "$postgres_bin_dir/pg_ctl" -D "$data" -m immediate -w stop) >/dev/null 2>&1
    done
}
# leads REST_PORT: whether that member is the primary, as Patroni says.
leads() { [[ $(curl -s -o /dev/null -w '%{http_code}' -m 1 "http://127.0.0.1:$1/primary") == 200 ]]; }
in_step() { [[ $(curl -s -o /dev/null -w '%{http_code}' -m 1 "http://127.0.0.1:$1/synchronous") == 200 ]]; }
# signal_member SIGNAL NAME: Patroni and all of its PostgreSQL.
signal_member() {
    local main
    main=$(head -n 1 "$work/patroni/$2/data/postmaster.pid")
    kill "-$1" "${member_pids[$2]}"
    pkill "-$1" -P "$main"
    kill "-$1" "$main"
}

# node N: one of three servers, always on the same port.
node() {
    start "node-$1" env MARKETPLACE_DATA_DIR="$work/data" MARKETPLACE_LISTEN="127.0.0.1:${node_ports[$1]}" \
        MARKETPLACE_ARGON2__MEMORY_KIB=64 MARKETPLACE_ARGON2__ITERATIONS=1 MARKETPLACE_LIMITS__AUTH_PER_IP_MINUTE=1000000 \
        MARKETPLACE_LIMITS__PUBLIC_PER_IP_MINUTE=1000000 MARKETPLACE_DRAIN_SECONDS=3 MARKETPLACE_DATABASE_URL="$members" \
        "${shared[@]}" "$bin/marketplace-server"
    node_pids[$1]=$started
}

# press NAME: four clients that write and one that reads, until `release`. Each line is a status and when it came.
press() {
    local name=$1 i
    rm -f "$work/stop"
    : >"$work/$name.writes" && : >"$work/$name.reads"
    for i in 1 2 3 4; do
        (while [[ ! -e $work/stop ]]; do
            curl -s -o /dev/null -w '%{http_code} ' -m 20 -H 'content-type: application/json' "$front/v1/auth/signup" -d \
                "{\"role\":\"client\",\"email\":\"c$i.$(millis).$RANDOM@example.org\",\"password\":\"a cluster password\",\"name\":\"Jon Lee\"}" \
                >"$work/$name.$i"
            echo "$(<"$work/$name.$i")$(millis)" >>"$work/$name.writes"
            sleep 0.05
        done) &
        pressing+=("$!")
    done
    (while [[ ! -e $work/stop ]]; do
        echo "$(curl -s -o /dev/null -w '%{http_code}' -m 20 "$front/v1/services") $(millis)" >>"$work/$name.reads"
        sleep 0.05
    done) &
    pressing+=("$!")
}
release() {
    touch "$work/stop"
    wait "${pressing[@]}"
    pressing=()
    written=$((written + $(grep -c '^202' "$work/$1.writes")))
}
codes() { cut -d' ' -f1 "$work/$1" | sort | uniq -c | xargs; }
# first_after FILE CODE MILLIS: when the first such answer came at or after that time.
first_after() { awk -v code="$2" -v from="$3" '$1 == code && $2 >= from { print $2; exit }' "$work/$1"; }
stored() { sql "$1" "SELECT count(*) FROM users WHERE name = 'Jon Lee'"; }

# fails_over NAME: the leader is ended or frozen by SIGNAL under load.
fails_over() {
    local what=$1 signal=$2 name=${1// /-} old new begun led wrote
    if leads "${rest[a]}"; then old=a new=b; else old=b new=a; fi
    until_so 30 in_step "${rest[$new]}" || { fail "$what: no standby is in step"; return; }
    press "$name"
    sleep 3
    begun=$(millis)
    signal_member "$signal" "$old"
    until_so 60 leads "${rest[$new]}"
    led=$(millis)
    sleep 6
    if [[ $signal == STOP ]]; then signal_member CONT "$old"; else member "$old" "${ports[$old]}" "${rest[$old]}"; fi
    until_so 60 in_step "${rest[$old]}" || fail "$what: the old leader does not come back as a standby"
    sleep 2
    release "$name"
    wrote=$(first_after "$name.writes" 202 "$led")
    local there
    there=$(stored "${ports[$new]}")
    if [[ -n $wrote ]] && ((wrote - led < 2000 && there >= written)) && ! grep -q '^500' "$work/$name.writes" "$work/$name.reads"; then
        pass "$what: led again after $((led - begun)) ms, written $((wrote - led)) ms later, $written acknowledged, none lost (writes $(codes "$name.writes"); reads $(codes "$name.reads"))"
    else
        fail "$what: led again after $((led - begun)) ms, written $((${wrote:-0} - led)) ms later, $written acknowledged, $there there (writes $(codes "$name.writes"); reads $(codes "$name.reads"))"
    fi
}

highly_available() {
    local missing=() program n
    for program in patroni etcd haproxy; do command -v "$program" >/dev/null || missing+=("$program"); done
    if ((${#missing[@]})); then
        skip 'Patroni, etcd, haproxy' "${missing[*]} not installed (Debian: apt-get install patroni etcd-server haproxy)"
        return
    fi
    declare -gA member_pids=() ports=([a]=$(port) [b]=$(port)) rest=([a]=$(port) [b]=$(port))
    etcd_port=$(port) node_ports=("$(port)" "$(port)" "$(port)") node_pids=() pressing=() written=0 shared=("$@")
    local peer
    peer=$(port)
    start etcd etcd --data-dir "$work/etcd" --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
        --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" --initial-cluster "default=http://127.0.0.1:$peer"
    until_so 10 curl -sf "http://127.0.0.1:$etcd_port/health"
    mkdir -p "$work/patroni"
    member a "${ports[a]}" "${rest[a]}"
    until_so 60 leads "${rest[a]}" || { fail 'Patroni makes a cluster'; return; }
    member b "${ports[b]}" "${rest[b]}"
    until_so 60 in_step "${rest[b]}" || { fail 'Patroni makes a synchronous standby'; return; }
    sql "${ports[a]}" 'CREATE DATABASE market' postgres
    members="postgres://postgres:$password@127.0.0.1:${ports[a]},127.0.0.1:${ports[b]}/market?target_session_attrs=read-write"
    market "$members" db migrate >"$work/migrate-patroni.log" 2>&1 || { fail 'migrations on Patroni'; return; }

    for n in 0 1 2; do node "$n"; done
    front=$(port)
    {
        printf 'defaults\n mode http\n timeout connect 1s\n timeout client 30s\n timeout server 5s\n timeout check 1s\n retries 2\n option redispatch\n'
        printf 'frontend market\n bind 127.0.0.1:%s\n default_backend nodes\nbackend nodes\n option httpchk GET /readyz\n' "$front"
        printf ' default-server inter 1s fall 1 rise 1\n'
        for n in 0 1 2; do printf ' server node-%s 127.0.0.1:%s check\n' "$n" "${node_ports[$n]}"; done
    } >"$work/haproxy.cfg"
    front=http://127.0.0.1:$front
    for n in 0 1 2; do until_so 30 ready "http://127.0.0.1:${node_ports[$n]}" || { fail "a server starts on Patroni's cluster"; return; }; done
    start haproxy haproxy -db -f "$work/haproxy.cfg"
    until_so 10 ready "$front" || { fail 'haproxy finds the servers'; return; }
    sleep 2

    press rolling
    for n in 0 1 2; do
        kill -TERM "${node_pids[$n]}"
        wait "${node_pids[$n]}" 2>/dev/null
        node "$n"
        until_so 30 ready "http://127.0.0.1:${node_ports[$n]}"
        sleep 3
    done
    release rolling
    if [[ $(codes rolling.writes) =~ ^[0-9]+\ 202$ && $(codes rolling.reads) =~ ^[0-9]+\ 200$ ]]; then
        pass "a rolling restart of three servers behind haproxy: no request failed (writes $(codes rolling.writes); reads $(codes rolling.reads))"
    else
        fail "a rolling restart of three servers behind haproxy: writes $(codes rolling.writes); reads $(codes rolling.reads)"
    fi

    press frozen
    sleep 2
    local froze begun
    begun=$(millis)
    kill -STOP "${node_pids[1]}"
    sleep 14
    froze=$(awk -v from=$((begun + 7000)) '$1 != 202 && $1 != 200 && $2 > from' "$work/frozen.writes" "$work/frozen.reads" | wc -l)
    local worked
    worked=$(awk -v from=$((begun + 7000)) '$1 == 202 && $2 > from' "$work/frozen.writes" | wc -l)
    kill -CONT "${node_pids[1]}"
    sleep 4
    release frozen
    local there
    there=$(stored "${ports[a]}")
    if ((froze == 0 && worked > 20 && there >= written)); then
        pass "a frozen server: from 7 s on nothing failed, $worked writes went on (writes $(codes frozen.writes); reads $(codes frozen.reads))"
    else
        fail "a frozen server: $froze failed later than 7 s, $worked writes went on, $written acknowledged, $there there (writes $(codes frozen.writes); reads $(codes frozen.reads))"
    fi

    fails_over 'Patroni, leader killed' KILL
    fails_over 'Patroni, leader frozen' STOP
    n=$(grep -hc 'level":"ERROR\| ERROR ' "$work"/node-*.log | paste -sd+ | bc)
    ((n == 0)) || echo "(the servers logged $n errors meanwhile)"
}
