# A temporary Redis on a private port, for tests/run to source. Never touches a running server, stores nothing on disk.

redis_pid='' redis_url='' redis_version='' redis_problem=''

install_redis() {
    command -v apt-get >/dev/null && [[ $EUID == 0 ]] || return 1
    # The package would otherwise start its own server.
    local policy=/usr/sbin/policy-rc.d made=false status
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made=true
    fi
    DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get update && apt-get install -y --no-install-recommends redis-server' >"$1/apt-redis.log" 2>&1 </dev/null
    status=$?
    $made && rm -f "$policy"
    return "$status"
}

# start_redis FOLDER INSTALL: in FOLDER, which the caller removes; INSTALL says whether a missing one may be installed.
# Returns its results in redis_url and redis_version, or in redis_problem.
start_redis() {
    local work=$1 install=$2 port try wait
    if ! command -v redis-server >/dev/null; then
        if $install || [[ ${MARKETPLACE_TEST_INSTALL:-} == 1 ]]; then install_redis "$work"; fi
        command -v redis-server >/dev/null || { redis_problem='no redis-server found, and none could be installed'; return 1; }
    fi
    mkdir -p "$work/redis"
    for try in 1 2 3 4 5 6; do
        port=$((20000 + RANDOM % 30000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue # taken
        redis-server --port "$port" --bind 127.0.0.1 --dir "$work/redis" --save '' --appendonly no \
            >"$work/redis/log" 2>&1 </dev/null &
        redis_pid=$!
        for wait in {1..100}; do
            kill -0 "$redis_pid" 2>/dev/null || break
            if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
                redis_url="redis://127.0.0.1:$port/0"
                redis_version=$(redis-server --version | grep -oE 'v=[0-9.]+' | cut -c3-)
                return 0
            fi
            sleep 0.05
        done
        stop_redis
    done
    cat "$work/redis/log" 2>/dev/null
    redis_problem='it did not start'
    return 1
}

stop_redis() {
    [[ -n $redis_pid ]] || return 0
    kill -TERM "$redis_pid" 2>/dev/null
    wait "$redis_pid" 2>/dev/null
    redis_pid=''
}
